import t from 'tap';
import type { Bodies, SinkInfo } from '../../daemon/wire/mod.ts';
import { cordon } from './cordon.ts';
import { fakeDaemon } from './fake-daemon.ts';
import { golden } from './golden.ts';
import { instant } from './samples.ts';

const calm: SinkInfo = {
  name: 'fleet',
  kind: 'nats',
  target: 'tls://nats.example:4222 AUDIT',
  state: 'idle',
  next: 1234,
  lag: 0,
  lagSeconds: 0,
  sent: 1240,
  acknowledged: 1234,
  duplicates: 6,
  refused: 0,
  bytes: 987_654,
  lastAcknowledged: 0,
  error: '',
  errorTime: 0,
  fix: '',
  nextTry: 0,
  warning: '',
  cosigned: 1000,
};
const failing: SinkInfo = {
  ...calm,
  name: 'siem',
  kind: 'otlp',
  target: 'https://collector.example/v1/logs',
  state: 'waiting',
  next: 34,
  lag: 1200,
  lagSeconds: 7300,
  acknowledged: 34,
  refused: 2,
  error: 'it answered 401: \u001b[2Jno',
  errorTime: instant,
  fix: 'renew the token',
  warning: 'witness: it answered 503',
};

async function shown(sinks: readonly SinkInfo[], ...args: string[]): Promise<string> {
  const body: Partial<Bodies['sinksAnswer']> = { sinks, running: true };
  const daemon = await fakeDaemon({
    admin: (incoming, connection) => connection.answer(incoming, 'sinksAnswer', body),
  });
  const { stdout, stderr } = await cordon(['audit', 'sinks', '--socket', daemon.admin, ...args]);
  await daemon.close();
  return stdout + stderr;
}

t.test('sinks are shown in columns, and what is wrong below with what to do', async (t) => {
  golden(t, 'audit-sinks.txt', await shown([failing, calm]));
});

t.test('sinks as JSON carry every fact, and null where there is nothing to tell', async (t) => {
  golden(t, 'audit-sinks-json.txt', await shown([failing, calm], '--json'));
});

t.test('without sinks it is said where to name one', async (t) => {
  t.match(await shown([]), /shipped nowhere.*records: sinks:/);
});
