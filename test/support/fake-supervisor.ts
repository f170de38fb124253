// A MOCK of a supervisor, for tests of daemon/control only: it speaks the protocol, journals, and runs the command in
// a pid namespace of its own, but confines and mediates nothing. What it is to do comes as variables of the launch:
//   FAKE_FAIL=code  answer the launch with that failure      FAKE_LAYER=name  say that this layer is missing
//   FAKE_RECORDS=n  journal n records at launch              FAKE_EVERY=ms    and one every so often
//   FAKE_DEAF=1     acknowledge no control                   FAKE_CRASH=1     die on the launch
//   FAKE_HOLD=file  acknowledge a freeze or a policy once that file is there
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { CapabilitySet, Plan, SessionRecord } from '../../daemon/model/mod.ts';
import { connect, encodeJournalFrame } from '../../daemon/wire/mod.ts';
import type { Connection, Incoming, Launch } from '../../daemon/wire/mod.ts';
import { sampleRecord } from './records.ts';

const { values } = parseArgs({ options: { 'run-dir': { type: 'string' }, 'state-dir': { type: 'string' } } });
const socketPath = join(values['run-dir']!, 'supervisor.sock');
const mountTable = createHash('sha256').update(readFileSync('/proc/self/mountinfo')).digest('hex');

let launch: Launch | undefined;
let environment: Readonly<Record<string, string>> = {};
let child: ChildProcess | undefined;
let initPid = 0;
let seq = 0;
let daemon: Connection | undefined;

function journal(
  operation: string,
  disposition: 'allowed' | 'denied',
  more: Partial<SessionRecord> = {},
): void {
  seq += 1;
  const record = sampleRecord(launch!.session, seq, { operation, disposition, time: Date.now(), ...more });
  appendFileSync(launch!.journalPath, encodeJournalFrame(JSON.stringify(record)));
  daemon?.notify('journalHint', { seq });
}

/** The first child of `unshare`, once there is one, however long that takes. */
async function firstChild(unshare: ChildProcess): Promise<number> {
  const { pid } = unshare;
  while (unshare.exitCode === null && unshare.signalCode === null) {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    if (children !== '') return Number(children.split(' ')[0]);
    await delay(5);
  }
  throw new Error('unshare has no child');
}

async function begin(connection: Connection, incoming: Incoming, body: Launch): Promise<void> {
  launch = body;
  environment = Object.fromEntries(
    body.environment.map((entry) => Buffer.from(entry).toString().split('=') as [string, string]),
  );
  const { FAKE_CRASH, FAKE_FAIL, FAKE_LAYER, FAKE_RECORDS = '0', FAKE_EVERY } = environment;
  if (FAKE_CRASH !== undefined) process.exit(3);
  if (FAKE_FAIL !== undefined) {
    connection.answer(incoming, 'failure', { code: FAKE_FAIL, message: 'the fake was told to fail' });
    await delay(20);
    process.exit(0);
  }
  const argv = body.argv.map((word) => Buffer.from(word).toString());
  child = spawn('unshare', ['--pid', '--fork', '--kill-child', '--', ...argv], { stdio: 'ignore', cwd: '/' });
  const ended = new Promise<[number | null, string | null]>((resolve) => {
    child!.once('exit', (code, signal) => resolve([code, signal]));
  });
  initPid = await firstChild(child);
  journal('launch', 'allowed');
  for (let i = 0; i < Number(FAKE_RECORDS); i++) journal('open', i % 2 === 0 ? 'denied' : 'allowed');
  if (FAKE_EVERY !== undefined) setInterval(() => journal('open', 'denied'), Number(FAKE_EVERY));
  const layers = ['landlock', 'seccomp'].map((layer) => ({
    layer,
    effective: layer !== FAKE_LAYER,
    detail: layer === FAKE_LAYER ? 'the fake lacks it' : '',
  }));
  connection.answer(incoming, 'launchAnswer', { initPid, layers });
  const [code, signal] = await ended;
  journal('exit', 'allowed', { kind: 'session', object: String(code ?? 137), reason: 'the command ended' });
  for (let i = 0; daemon?.isOpen !== true && i < 50; i++) await delay(20);
  daemon?.notify('sessionEnded', {
    exitCode: code ?? 137,
    signal: signal ?? '',
    reason: 'the command ended',
  });
  await delay(50);
  process.exit(0);
}

async function held(): Promise<void> {
  const hold = environment['FAKE_HOLD'];
  while (hold !== undefined && !existsSync(hold)) await delay(5);
}

async function control(connection: Connection, incoming: Incoming, verb: string): Promise<void> {
  if (environment['FAKE_DEAF'] !== undefined) return;
  const signals: Readonly<Record<string, NodeJS.Signals>> = {
    freeze: 'SIGSTOP',
    resume: 'SIGCONT',
    kill: 'SIGKILL',
  };
  const signal = signals[verb];
  if (signal !== undefined && initPid !== 0) process.kill(initPid, signal);
  if (verb === 'freeze') await held();
  connection.answer(incoming, 'ack');
  if (verb === 'kill' && launch === undefined) connection.end();
}

async function policy(connection: Connection, incoming: Incoming, text: string): Promise<void> {
  const { generation } = JSON.parse(text) as CapabilitySet;
  journal(`policy-${generation}`, 'allowed');
  await held();
  connection.answer(incoming, 'ack', { generation });
}

function onMessage(incoming: Incoming, connection: Connection): void {
  const { message } = incoming;
  if (message.kind === 'launch') {
    JSON.parse(message.body.plan) as Plan;
    void begin(connection, incoming, message.body);
  } else if (message.kind === 'prepare')
    connection.answer(incoming, 'failure', { code: 'internal', message: 'the fake prepares nothing' });
  else if (message.kind === 'sessionControl') void control(connection, incoming, message.body.verb);
  else if (message.kind === 'policyUpdate') void policy(connection, incoming, message.body.capabilitySet);
}

async function dial(): Promise<void> {
  for (;;) {
    try {
      daemon = await connect(socketPath, { onMessage });
      await daemon.ask('supervisorHello', {
        pid: process.pid,
        version: 'fake',
        session: launch?.session ?? '',
        mountTable,
        initPid,
      });
      await daemon.closed;
    } catch {
      daemon?.close();
    }
    if (launch === undefined) process.exit(0);
    await delay(30);
  }
}

void dial();
