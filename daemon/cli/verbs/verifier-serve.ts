// `cordon verifier serve`: the verifier as a service, until it is stopped. On a machine of its own.
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { readText } from '../attest/files.ts';
import { CordonError } from '../../model/mod.ts';
import { certificatesOf, noExpectations, readExpectations } from '../../verifier/mod.ts';
import type { Anchors, Root } from '../../verifier/mod.ts';
import { KeyRing, softwareKeeper } from '../../tokens/mod.ts';
import { openStore, readMintingPolicy, serveHttps, verifierKeyAt } from '../../verifier-service/mod.ts';
import type { MintingParts } from '../../verifier-service/mod.ts';
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

const addressOf = (host: string, port: number): string =>
  `https://${host.includes(':') ? `[${host}]` : host}:${port}`;

function originOf(address: string): string {
  const url = URL.parse(address);
  if (url?.protocol === 'https:' && url.pathname === '/') return url.origin;
  throw new CordonError('config-invalid', '--url is no https:// address without a path');
}

/** The key that signs tokens is another than the one that signs results. Where others reach it may be said. */
async function mintingOf(
  context: VerbContext,
  state: string,
): Promise<((address: string) => MintingParts) | undefined> {
  const file = textOption(context, 'minting');
  if (file === undefined) return undefined;
  const policy = readMintingPolicy(readText(file, 'the minting policy'));
  const given = textOption(context, 'url');
  const url = given === undefined ? undefined : originOf(given);
  const ring = await KeyRing.open(join(state, 'token-keys.json'), softwareKeeper(), Date.now());
  return (address) => ({ policy, ring, url: url ?? originOf(address) });
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
  const minting = await mintingOf(context, state);
  const expectations =
    reference === undefined ? noExpectations : readExpectations(readText(reference, 'the reference values'));
  const key = { jwk, issuer: textOption(context, 'issuer') ?? 'cordon-verifier' };
  const now = (): number => Date.now();
  const parts = { store, key, anchors, expectations, lifetime: 15 * 60, now };
  const serving = await serveHttps(
    (port) => ({
      ...parts,
      ...(minting === undefined ? {} : { minting: minting(addressOf(door.host, port)) }),
    }),
    door,
  );
  const url = addressOf(door.host, serving.port);
  const ready = { host: door.host, port: serving.port, kid: jwk.kid ?? '' };
  context.out(context.json ? JSON.stringify(ready) : `verifier at ${url}`);
  await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
  await serving.close();
  store.close();
  return 0;
};
