import t from 'tap';
import { parseRun } from '../../daemon/cli/run/arguments.ts';
import { agentUser } from '../../daemon/cli/run/request.ts';

const none = {
  profile: '',
  workspace: undefined,
  mode: '',
  user: undefined,
  json: false,
  quiet: false,
  socket: undefined,
};

t.test('options end at -- or at the first word, and the rest is the command', async (t) => {
  t.strictSame(parseRun(['--', 'ls', '--json']), { ...none, commandLength: 2 });
  t.strictSame(parseRun(['ls', '--json', '--']), { ...none, commandLength: 3 });
  t.strictSame(parseRun(['--json', '-q', '--mode', 'monitor', '--profile=a=b', '--user', 'u', '--', '-x']), {
    ...none,
    json: true,
    quiet: true,
    mode: 'monitor',
    profile: 'a=b',
    user: 'u',
    commandLength: 1,
  });
  t.strictSame(parseRun(['--workspace', '/w', '--socket', '/s', 'x']), {
    ...none,
    workspace: '/w',
    socket: '/s',
    commandLength: 1,
  });
});

t.test('mistakes are refused with the usage', async (t) => {
  const refused = (args: string[], message: RegExp) =>
    t.throws(() => parseRun(args), { code: 'config-invalid', message, facts: { fix: /^Usage: cordon run/ } });
  refused([], /no command/);
  refused(['--'], /no command/);
  refused(['--json'], /no command/);
  refused(['--profile'], /--profile needs a value/);
  refused(['--profile=', 'x'], /--profile needs a value/);
  refused(['--mode', 'off', '--', 'x'], /--mode off is not one of/);
  refused(['--no-sandbox', '--', 'x'], /does not know the option --no-sandbox/);
});

t.test('root runs agents for others, never as root', async (t) => {
  const options = parseRun(['--', 'x']);
  t.equal(agentUser(options, 1000, undefined), '', 'a user: the daemon knows who asks');
  t.equal(agentUser(options, 0, 'alice'), 'alice', 'through sudo: who called it');
  t.equal(agentUser(parseRun(['--user', 'bob', 'x']), 0, 'alice'), 'bob');
  for (const sudoUser of [undefined, 'root']) {
    t.throws(() => agentUser(options, 0, sudoUser), { code: 'not-permitted', facts: { fix: /--user NAME/ } });
  }
});
