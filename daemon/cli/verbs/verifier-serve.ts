// `cordon verifier serve`: the verifier as a service, until it is stopped. On a machine of its own.
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { readText } from '../attest/files.ts';
import { CordonError } from '../../model/mod.ts';
import { certificatesOf, noExpectations, readExpectations } from '../../verifier/mod.ts';
import type { Anchors, Root } from '../../verifier/mod.ts';
import { openStore, serveHttps, verifierKeyAt } from '../../verifier-service/mod.ts';
import { textOption } from '../verb.ts';
import type { VerbAction, VerbContext } from '../verb.ts';

function needed(context: VerbContext, name: string): string {
  const value = textOption(context, name);
  if (value !== undefined) return value;
  throw new CordonError('config-invalid', `--${name} is missing`, { fix: 'cordon verifier serve --help' });
}

function rootsIn(context: VerbContext, option: string, kind: Root['kind']): Root[] {
  const path = textOption(context, option);
  if (path === undefined) return [];
  return certificatesOf(readText(path, 'the roots')).map((certificate) => ({ certificate, kind }));
}

function anchorsOf(context: VerbContext): Anchors {
  const roots = [...rootsIn(context, 'roots', 'hardware'), ...rootsIn(context, 'softwareRoots', 'software')];
  if (roots.length === 0)
    throw new CordonError('config-invalid', 'no root of a TPM maker is given: nobody could enrol', {
      fix: '--roots FILE (PEM)',
    });
  const intermediates = textOption(context, 'intermediates');
  return {
    roots,
    intermediates:
      intermediates === undefined ? [] : certificatesOf(readText(intermediates, 'the intermediates')),
  };
}

function placeOf(context: VerbContext): { host: string; port: number } {
  const text = textOption(context, 'listen') ?? '127.0.0.1:8443';
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined) throw new CordonError('config-invalid', `--listen ${text} is no address:port`);
  return { host, port: Number(match?.[3]) };
}

export const verifierServe: VerbAction = async (context) => {
  const state = needed(context, 'state');
  const anchors = anchorsOf(context);
  const reference = textOption(context, 'reference');
  const door = {
    ...placeOf(context),
    certificate: readText(needed(context, 'cert'), 'the certificate'),
    privateKey: readText(needed(context, 'certKey'), 'the private key'),
  };
  mkdirSync(state, { recursive: true, mode: 0o700 });
  const jwk = verifierKeyAt(join(state, 'verifier.jwk'));
  const store = openStore(join(state, 'verifier.db'));
  const parts = {
    store,
    key: { jwk, issuer: textOption(context, 'issuer') ?? 'cordon-verifier' },
    anchors,
    expectations:
      reference === undefined
        ? noExpectations
        : readExpectations(readText(reference, 'the reference values')),
    lifetime: 15 * 60,
    now: () => Date.now(),
  };
  const serving = await serveHttps(parts, door);
  const ready = { host: door.host, port: serving.port, kid: jwk.kid ?? '' };
  context.out(context.json ? JSON.stringify(ready) : `verifier at https://${door.host}:${serving.port}`);
  await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
  await serving.close();
  store.close();
  return 0;
};
