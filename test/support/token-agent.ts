// Test process: asks for tokens as an agent in a session would, step by step, and prints a line an answer.
//   { token: wish } · { narrow: index, wish } · { drop: index } · { raw: { wish, proof, parent } }
//   A wish with `flood` is asked for so many times; the answer is how many were refused. A step `wait` waits for a line.
import { once } from 'node:events';
import { connectAgent } from '../../daemon/wire/agent-client.ts';
import type { AgentToken, TokenWish } from '../../daemon/wire/agent-client.ts';
import { connect } from '../../daemon/wire/mod.ts';

interface Step {
  readonly token?: TokenWish;
  readonly flood?: number;
  readonly narrow?: number;
  readonly wish?: TokenWish;
  readonly drop?: number;
  readonly raw?: { readonly wish: string; readonly proof: string; readonly parent: string };
  readonly wait?: true;
}

process.stdin.on('end', () => process.exit());
const [path, text] = process.argv.slice(2) as [string, string];
const cordon = await connectAgent(path);
const tokens: AgentToken[] = [];

async function take({ token, flood, narrow, wish, drop, raw }: Step): Promise<unknown> {
  if (raw !== undefined) {
    const connection = await connect(path);
    const { jti } = await connection
      .askFor('mintToken', raw, 'mintTokenAnswer')
      .finally(() => connection.close());
    return { jti };
  }
  if (drop !== undefined) return cordon.dropToken(tokens[drop]!.jti).then(() => 'dropped');
  if (flood !== undefined) {
    let refused = 0;
    for (let i = 0; i < flood; i += 10)
      await Promise.all(Array.from({ length: 10 }, () => cordon.token(token!).catch(() => (refused += 1))));
    return { refused };
  }
  const made = narrow === undefined ? await cordon.token(token!) : await tokens[narrow]!.narrow(wish!);
  tokens.push(made);
  return { jti: made.jti, token: made.token, ...made.headers('POST', 'https://api.example/v1/x') };
}

for (const step of JSON.parse(text) as Step[]) {
  const answer = step.wait
    ? once(process.stdin.resume(), 'data').then(() => 'went on')
    : take(step).catch((error: unknown) => ({ refused: (error as Error).message }));
  process.stdout.write(`${JSON.stringify(await answer)}\n`);
}
cordon.close();
process.stdin.resume();
