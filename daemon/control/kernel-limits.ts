// Limits of the kernel that bound how many sessions there can be. Raised when lower than what we need, never lowered;
// where that is not permitted, a launch beyond the limit fails and says so.
import { readFileSync, writeFileSync } from 'node:fs';

/**
 * fanotify(7): groups one user may have, 128 by default. A session takes two (decisions, audit), the daemon's probes
 * a few. 4096 groups are about 2,000 sessions.
 */
const groups = { file: '/proc/sys/fs/fanotify/max_user_groups', wanted: 4096 };

/** What was changed, for the log; undefined when nothing had to be. */
export function raiseFanotifyGroups(): string | undefined {
  try {
    const now = Number(readFileSync(groups.file, 'latin1'));
    if (now >= groups.wanted) return undefined;
    writeFileSync(groups.file, `${groups.wanted}\n`);
    return `fs.fanotify.max_user_groups was ${now}, now ${groups.wanted}: a session needs two`;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return `fs.fanotify.max_user_groups could not be raised (${why}): sessions at once stay limited`;
  }
}
