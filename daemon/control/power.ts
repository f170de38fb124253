// Whether the machine runs on battery, as the kernel says (Documentation/ABI/testing/sysfs-class-power).
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Power } from '../uploader/mod.ts';

const textOf = (path: string): string => {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return ''; // Drivers leave files out, and refuse to answer while they probe.
  }
};

const namesIn = (directory: string): string[] => {
  try {
    return readdirSync(directory);
  } catch {
    return []; // A machine without power supplies to speak of.
  }
};

/** `directory`: /sys/class/power_supply. A machine without a battery of its own is never on battery. */
export function powerOf(directory: string): Power {
  const supplies = namesIn(directory).map((name) => {
    const read = (file: string): string => textOf(join(directory, name, file));
    return {
      type: read('type'),
      online: read('online') === '1',
      scope: read('scope'),
      status: read('status'),
      capacity: read('capacity'),
    };
  });
  // Batteries of mice and keyboards have the scope Device.
  const batteries = supplies.filter(({ type, scope }) => type === 'Battery' && scope !== 'Device');
  const plugged = supplies.some(({ type, online }) => type !== 'Battery' && online);
  const discharging = batteries.some(({ status }) => status === 'Discharging');
  const levels = batteries.map(({ capacity }) => Number.parseInt(capacity, 10)).filter(Number.isInteger);
  return {
    onBattery: discharging && !plugged,
    percent: levels.length === 0 ? 100 : Math.max(...levels),
  };
}
