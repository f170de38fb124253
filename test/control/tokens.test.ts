// Tokens through the daemon's sockets: the agent asks, people list and revoke, kills and policy changes end them.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { Test } from 'tap';
import { openAudit } from '../../daemon/audit/mod.ts';
import { createTokenVerifier, TokenRefused } from '../../daemon/tokens/token-verifier.ts';
import type { TokenVerifier } from '../../daemon/tokens/token-verifier.ts';
import { newProofKey } from '../../daemon/wire/mod.ts';
import { startDaemon, until } from '../support/daemon.ts';
import type { TestDaemon } from '../support/daemon.ts';
import { askAs, bin, nobody } from '../support/users.ts';

if (process.getuid?.() !== 0) t.bailout('these tests need root');

const script = fileURLToPath(new URL('../support/token-agent.ts', import.meta.url));
const details = [{ type: 'http', methods: ['POST'], host: 'api.example', port: 443, path: '/v1/*' }];
const wish = { audience: 'https://api.example', details, uses: 100 };
const url = 'https://api.example/v1/x';

interface Said {
  readonly jti: string;
  readonly token: string;
  readonly authorization: string;
  readonly dpop: string;
  readonly refused: string | number;
}

/** Runs the steps inside the session. `next` gives one answer after the other; `go` lets a `wait` go on. */
async function agent(t: Test, daemon: TestDaemon, id: string, steps: readonly object[]) {
  const { initPid } = await daemon.session(id);
  const socket = join(daemon.runDir, 'sessions', id, 'agent', 'agent.sock');
  const node = [process.execPath, '--disable-warning=ExperimentalWarning'];
  const args = ['--target', `${initPid}`, '--pid', '--', ...node, script, socket, JSON.stringify(steps)];
  const child = spawn('nsenter', args, { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.on('error', () => undefined);
  const ended = once(child, 'exit');
  // It leaves by itself: who kills nsenter leaves a process that nobody awaits, and the sandbox waits for it.
  t.teardown(() => {
    child.stdin.end();
    return ended;
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    next: async () => JSON.parse(String((await lines.next()).value)) as Said,
    go: () => child.stdin.write('\n'),
  };
}

interface Answered {
  readonly issuer: string;
  readonly tokens: readonly string[];
  readonly jtis: readonly string[];
}

async function ask(
  daemon: TestDaemon,
  kind: 'tokens' | 'tokenRevoke' | 'tokenKeys' | 'control',
  body: object,
): Promise<Answered> {
  const connection = await daemon.connect();
  const answer = await connection.ask(kind, body, { deadline: 10_000 }).finally(() => connection.close());
  return answer.body as unknown as Answered;
}

const published = (daemon: TestDaemon, name: string): string =>
  readFileSync(join(daemon.runDir, 'tokens', name), 'utf8');

/** As a backend on another machine: it has what is published, and nothing else. */
async function backend(daemon: TestDaemon): Promise<TokenVerifier> {
  const { issuer } = await ask(daemon, 'tokenKeys', {});
  return createTokenVerifier({
    jwks: () => JSON.parse(published(daemon, 'jwks.json')) as unknown,
    issuer,
    audience: 'https://api.example',
    statusList: () => published(daemon, 'status.jwt'),
  });
}

const outcomeOf = (verifier: TokenVerifier, said: Said): Promise<string> =>
  verifier.verify({ ...said, method: 'POST', url }).then(
    () => 'accepted',
    (error: unknown) => (error instanceof TokenRefused ? error.why : String(error)),
  );

const tokenRecords = async (daemon: TestDaemon, session: string) =>
  (await daemon.records({ session })).filter(({ kind }) => kind === 'token');

t.test('however many and long tokens are, all are listed', async (t) => {
  const text = 'x'.repeat(2000);
  const now = Math.floor(Date.now() / 1000);
  const token = {
    session: 's',
    agent: 'a',
    digest: 'd',
    audience: 'https://api.example',
    parent: '',
    why: '',
  };
  const jtis = Array.from({ length: 1000 }, (_, idx) => `token-${idx}`);
  const daemon = await startDaemon(t, undefined, (stateDir) => {
    mkdirSync(stateDir, { mode: 0o700 });
    const audit = openAudit(join(stateDir, 'cordon.db'), { now: Date.now });
    const times = { iat: now, exp: now + 900, uses: 1, used: 0, revoked: 0 };
    jtis.forEach((jti, idx) =>
      audit.tokens.add({ ...token, ...times, jti, idx, details: text, purpose: '' }),
    );
    audit.close();
  });
  const listed: string[] = [];
  for await (const { kind, body } of (await daemon.connect()).stream('tokens', { all: true }))
    if (kind === 'tokensAnswer')
      listed.push(...body.tokens.map((json) => (JSON.parse(json) as { jti: string }).jti));
  t.strictSame(listed.toSorted(), jtis.toSorted());
});

t.test('an agent gets a token that a stranger accepts; every grant and refusal is on record', async (t) => {
  const daemon = await startDaemon(t);
  const id = await daemon.run({}, { agentVersion: '1.2.3-rc.1' });
  const narrower = { ...wish, details: [{ ...details[0], path: '/v1/x' }], uses: 1 };
  const wider = { ...wish, details: [{ ...details[0], path: '/*' }] };
  const elsewhere = { ...wish, details: [{ ...details[0], host: 'evil.example' }] };
  const stolen = newProofKey().prove({ method: 'POST', url: 'https://other.invalid/', now: Date.now() });
  const { next } = await agent(t, daemon, id, [
    { token: wish },
    { narrow: 0, wish: narrower },
    { narrow: 0, wish: wider },
    { token: elsewhere },
    { token: { ...wish, audience: 'urn:other' } },
    { raw: { wish: '{}', proof: '', parent: '' } },
    {
      raw: {
        wish: JSON.stringify({ audience: 'x', authorization_details: details }),
        proof: stolen,
        parent: '',
      },
    },
    { drop: 0 },
  ]);
  const verifier = await backend(daemon);
  const whole = await next();
  t.equal(await outcomeOf(verifier, whole), 'accepted');
  const claims = JSON.parse(Buffer.from(whole.token.split('.')[1] ?? '', 'base64url').toString()) as object;
  t.match(claims, { cordon: { agent: { name: 'sleep', version: '1.2.3-rc.1' } } });
  const part = await next();
  t.equal(await outcomeOf(verifier, part), 'accepted');
  t.match((await next()).refused, /nothing that its parent does not/);
  t.match((await next()).refused, /session itself may not do this: evil.example:443/);
  t.match((await next()).refused, /grants no tokens for urn:other/);
  t.match((await next()).refused, /audience/);
  t.match((await next()).refused, /another URL/);
  t.equal(await next(), 'dropped');
  t.equal(await outcomeOf(verifier, whole), 'revoked');
  t.equal(await outcomeOf(verifier, part), 'revoked');
  t.match(await tokenRecords(daemon, id), [
    {
      operation: 'mint',
      disposition: 'allowed',
      object: 'https://api.example',
      detail: { jti: whole.jti, actor: 'agent' },
    },
    { operation: 'mint', disposition: 'allowed', detail: { jti: part.jti, parent: whole.jti } },
    { operation: 'mint', disposition: 'denied', object: 'widened' },
    { operation: 'mint', disposition: 'denied', object: 'beyond-session', rule: { id: 'open/files[0]' } },
    { operation: 'mint', disposition: 'denied', object: 'beyond-session' },
    { operation: 'mint', disposition: 'denied', object: 'schema' },
    { operation: 'mint', disposition: 'denied', object: 'proof' },
    { operation: 'revoke', detail: { jtis: [String, String] } },
  ]);
});

t.test('a kill ends the tokens of its session before the command returns', async (t) => {
  const daemon = await startDaemon(t);
  const [one, two] = [await daemon.run(), await daemon.run()];
  const steps = [{ token: wish }];
  const first = await (await agent(t, daemon, one, steps)).next();
  const second = await (await agent(t, daemon, two, steps)).next();
  const verifier = await backend(daemon);
  await ask(daemon, 'control', { verb: 'kill', session: one });
  t.equal(await outcomeOf(verifier, first), 'revoked');
  t.equal(await outcomeOf(verifier, second), 'accepted');
  await ask(daemon, 'control', { verb: 'kill', all: true });
  const again = { ...second, dpop: '' };
  t.equal(await outcomeOf(verifier, again), 'revoked');
});

t.test('whichever way it was revoked, it counts nowhere once the command has returned', async (t) => {
  const daemon = await startDaemon(t);
  for (const by of ['id', 'session', 'agent', 'policy'] as const) {
    const id = await daemon.run();
    const { next, go } = await agent(t, daemon, id, [{ token: wish }, { wait: true }, { narrow: 0, wish }]);
    const said = await next();
    t.equal(await outcomeOf(await backend(daemon), said), 'accepted', by);
    const { tokens } = await ask(daemon, 'tokens', { session: id });
    const { digest } = JSON.parse(tokens[0]!) as { digest: string };
    const value = { id: said.jti, session: id, agent: 'sleep', policy: digest }[by];
    t.strictSame((await ask(daemon, 'tokenRevoke', { by, value })).jtis, [said.jti]);
    // By who has only what is published, on the disk, now; and by the endpoint itself.
    t.equal(await outcomeOf(await backend(daemon), said), 'revoked', by);
    go();
    await next();
    t.match((await next()).refused, /revoked/, by);
    await ask(daemon, 'control', { verb: 'kill', session: id });
  }
});

t.test('a change of policy ends what was minted under the one before', async (t) => {
  const daemon = await startDaemon(t);
  const id = await daemon.run();
  const { next, go } = await agent(t, daemon, id, [{ token: wish }, { wait: true }, { token: wish }]);
  const verifier = await backend(daemon);
  const old = await next();
  daemon.process().kill('SIGHUP');
  await until(async () => (await tokenRecords(daemon, id)).some(({ operation }) => operation === 'revoke'));
  await until(async () => (await outcomeOf(verifier, old)) === 'revoked');
  go();
  await next();
  t.equal(await outcomeOf(verifier, await next()), 'accepted');
});

t.test('a frozen session gets none, and a flood is bounded and recorded in bounds', async (t) => {
  const daemon = await startDaemon(t);
  const id = await daemon.run();
  await ask(daemon, 'control', { verb: 'freeze', session: id });
  const steps = [{ token: wish }, { wait: true }, { token: wish, flood: 120 }];
  const { next, go } = await agent(t, daemon, id, steps);
  t.match(await next(), { refused: /frozen/ });
  await ask(daemon, 'control', { verb: 'resume', session: id });
  go();
  await next();
  const { refused } = await next();
  // Fifty at once, of which the frozen session asked for one.
  t.ok(Number(refused) > 0 && Number(refused) <= 120 - 49, `${refused} of 120 were refused`);
  const denied = (await tokenRecords(daemon, id)).filter(({ object }) => object === 'rate');
  t.ok(denied.length > 0 && denied.length <= Number(refused));
});

t.test('revoked by id, session, agent and policy, by whom it is', async (t) => {
  const daemon = await startDaemon(t, 'bin');
  const id = await daemon.run();
  const { next } = await agent(
    t,
    daemon,
    id,
    [1, 2, 3, 4].map(() => ({ token: wish })),
  );
  const said = [await next(), await next(), await next(), await next()] as const;
  const list = async (all = false): Promise<Record<string, unknown>[]> =>
    (await ask(daemon, 'tokens', { session: id, all })).tokens.map(
      (text) => JSON.parse(text) as Record<string, unknown>,
    );
  t.match(new Set((await list()).map(({ jti }) => jti)), new Set(said.map(({ jti }) => jti)));
  const strangers = await askAs(bin, daemon.adminSocket, [['tokens', { session: id }]]);
  t.equal((strangers[0]!.body['tokens'] as unknown[]).length, 4, 'bin is an administrator here');
  const own = await askAs(nobody, daemon.adminSocket, [
    ['tokens', {}],
    ['tokenRevoke', { by: 'id', value: said[0].jti }],
    ['tokenRevoke', { by: 'all' }],
    ['tokenKeys', { rotate: 'now' }],
    ['tokenKeys', {}],
  ]);
  t.strictSame(own[0]!.body['tokens'], [], 'the session is root’s: nobody sees none of it');
  t.equal(own[1]!.body['code'], 'not-found');
  t.strictSame(own[2]!.body['jtis'], []);
  t.equal(own[3]!.body['code'], 'not-permitted');
  t.equal(own[4]!.kind, 'tokenKeysAnswer');
  const revoke = async (by: string, value: string): Promise<number> =>
    (await ask(daemon, 'tokenRevoke', { by, value })).jtis.length;
  t.equal(await revoke('id', said[0].jti), 1);
  t.equal(await revoke('agent', 'nothing'), 0);
  t.equal(await revoke('agent', 'sleep'), 3);
  t.equal((await list()).length, 0);
  t.equal((await list(true)).length, 4);
  t.equal(await revoke('session', id), 0);
  await t.rejects(ask(daemon, 'tokenRevoke', { by: 'everything', value: '' }), { code: 'protocol' });
});

t.test(
  'tokens, uses and revocations outlive the daemon; those of sessions that ended meanwhile do not',
  async (t) => {
    const daemon = await startDaemon(t);
    const [one, two] = [await daemon.run(), await daemon.run()];
    const first = await (await agent(t, daemon, one, [{ token: wish }])).next();
    const second = await (await agent(t, daemon, two, [{ token: wish }])).next();
    await ask(daemon, 'tokenRevoke', { by: 'id', value: first.jti });
    const { supervisorPid } = await daemon.session(two);
    await daemon.crash();
    process.kill(supervisorPid, 'SIGKILL');
    await daemon.start();
    const verifier = await backend(daemon);
    t.equal(await outcomeOf(verifier, first), 'revoked');
    t.equal(await outcomeOf(verifier, second), 'revoked');
    t.equal(statSync(join(daemon.stateDir, 'tokens', 'keys.json')).mode & 0o777, 0o600);
    t.equal(statSync(join(daemon.runDir, 'tokens', 'jwks.json')).mode & 0o777, 0o644);
  },
);

t.test('a person mints for his own session, bound to a key that he names', async (t) => {
  const daemon = await startDaemon(t);
  const [answer] = await askAs(nobody, daemon.adminSocket, [
    ['run', { profile: 'open', workspace: { bytes: '/tmp' }, argv: [{ bytes: 'sleep' }, { bytes: '1000' }] }],
  ]);
  const session = String(answer!.body['session']);
  const key = newProofKey();
  const body = { audience: wish.audience, authorization_details: details, jkt: key.thumbprint };
  const minted = await askAs(nobody, daemon.adminSocket, [
    ['tokenMint', { session, wish: JSON.stringify(body) }],
    ['tokenMint', { session, wish: JSON.stringify({ ...body, jkt: undefined }) }],
  ]);
  const token = String(minted[0]!.body['token']);
  const said = {
    authorization: `DPoP ${token}`,
    dpop: key.prove({ method: 'POST', url, token, now: Date.now() }),
  };
  t.equal(await outcomeOf(await backend(daemon), said as Said), 'accepted');
  t.match(minted[1]!.body['message'], /no key was named/);
  const [foreign] = await askAs(bin, daemon.adminSocket, [
    ['tokenMint', { session, wish: JSON.stringify(body) }],
  ]);
  t.equal(foreign!.body['code'], 'not-found');
});

t.test('a key file that cannot be read costs the tokens, not the daemon', async (t) => {
  const daemon = await startDaemon(t, undefined, (stateDir) => {
    mkdirSync(join(stateDir, 'tokens'), { recursive: true, mode: 0o700 });
    writeFileSync(join(stateDir, 'tokens', 'keys.json'), 'not keys');
  });
  const id = await daemon.run();
  const { next } = await agent(t, daemon, id, [{ token: wish }]);
  t.match(await next(), { refused: /there are no tokens: .*keys\.json is not a key file/ });
  await ask(daemon, 'control', { verb: 'kill', session: id });
  const told = await daemon.records({ session: 'daemon' });
  t.ok(told.some(({ operation, disposition }) => operation === 'token-keys' && disposition === 'denied'));
  t.equal(readFileSync(join(daemon.stateDir, 'tokens', 'keys.json'), 'utf8'), 'not keys');
});
