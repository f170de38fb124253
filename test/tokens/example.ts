// The examples of TOKENS.md as programs: the text itself, with places and names of the test put in.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';

const document = fileURLToPath(new URL('../../daemon/docs/TOKENS.md', import.meta.url));

export function exampleText(of: 'agent' | 'backend' = 'backend'): string {
  const [, text] = new RegExp(`\`\`\`js ${of}\n([^]*?)\`\`\``).exec(readFileSync(document, 'utf8')) ?? [];
  if (text === undefined) throw new Error(`TOKENS.md has no example of an ${of}`);
  return text;
}

/** The example with each `[from, to]` put in; all must be there. */
export const changedExample = (
  t: Test,
  text: string,
  changes: readonly (readonly [string, string])[],
): string =>
  changes.reduce((sum, [from, to]) => {
    t.ok(sum.includes(from), `the example has ${from}`);
    return sum.replace(from, to);
  }, text);

export interface Example {
  readonly library: string;
  /** Directory of jwks.json and status.jwt. */
  readonly published: string;
  readonly issuer: string;
  readonly audience: string;
  /** What its clients call it; 127.0.0.1 when not given. */
  readonly host?: string;
}

/** Starts it on a free port of 127.0.0.1, which it gives. */
export async function startExample(t: Test, directory: string, example: Example): Promise<number> {
  const port = await freePort();
  const changes: readonly (readonly [string, string])[] = [
    ['8080', String(port)], // first: what is put in later may hold these digits
    ["'cordon/token-verifier'", JSON.stringify(example.library)],
    ['/run/cordon/tokens', example.published],
    ['urn:uuid:00000000-0000-0000-0000-000000000000', example.issuer],
    ["audience: 'https://api.example'", `audience: ${JSON.stringify(example.audience)}`],
    [
      "origin = 'https://api.example'",
      `origin = ${JSON.stringify(`http://${example.host ?? '127.0.0.1'}:${port}`)}`,
    ],
  ];
  const file = join(directory, 'example.mjs');
  writeFileSync(file, changedExample(t, exampleText(), changes));
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', file], {
    stdio: 'inherit',
  });
  t.teardown(async () => {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  });
  while (!(await answers(port))) await delay(20);
  return port;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const answers = (port: number): Promise<boolean> =>
  fetch(`http://127.0.0.1:${port}/`).then(
    async (response) => (await response.text()) !== '',
    () => false,
  );
