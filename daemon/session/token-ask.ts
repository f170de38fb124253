// Egress' wishes for tokens, passed on to the daemon. Egress reads hostile bytes: what it says is taken field by field.
import type { Connection } from '../wire/mod.ts';
import type { TokenAsk } from './egress-process.ts';

/** Milliseconds; less than egress waits. */
const deadline = 4000;
const maxText = 20_000;

const textOf = (body: Readonly<Record<string, unknown>>, key: string): string => {
  const value = body[key];
  return typeof value === 'string' && value.length <= maxText ? value : '';
};

const portOf = ({ port }: Readonly<Record<string, unknown>>): number =>
  typeof port === 'number' && Number.isInteger(port) && port > 0 && port < 65536 ? port : 0;

export const tokensBy =
  (ask: Connection['askFor']): TokenAsk =>
  async (what, body) => {
    const [audience = '', method = '', host = '', path = ''] = ['audience', 'method', 'host', 'path'].map(
      (key) => textOf(body, key),
    );
    const request = { audience, method, host, path, port: portOf(body) };
    if (what === 'attach') {
      const attach = { ...request, jkt: textOf(body, 'jkt') };
      const { token, jti } = await ask('attachToken', attach, 'mintTokenAnswer', { deadline });
      return { token, jti };
    }
    const use = { ...request, token: textOf(body, 'token'), proof: textOf(body, 'proof') };
    const { jti, sha256, sized, size } = await ask('useToken', use, 'useTokenAnswer', { deadline });
    return { jti, sha256, size: sized ? size : -1 };
  };
