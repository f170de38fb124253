// What a machine tells the verifier's service of its own revocations.
import t from 'tap';
import { join } from 'node:path';
import type { EcJwk } from '../../daemon/evidence/mod.ts';
import {
  KeyRing,
  listSize,
  newPrivateJwk,
  signStatusList,
  softwareKeeper,
  softwareKey,
} from '../../daemon/tokens/mod.ts';
import { noExpectations } from '../../daemon/verifier/mod.ts';
import { openStore, readMintingPolicy, serveRequest } from '../../daemon/verifier-service/mod.ts';
import type { MintedToken } from '../../daemon/verifier-service/mod.ts';
import { verifierKey } from '../support/attested.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const now = 1_800_000_000_000;
const seconds = now / 1000;

/** Places all over a list (xorshift): as after a kill of many sessions, and hard to compress. */
function manyPlaces(): number[] {
  let state = 1;
  return Array.from({ length: 20_000 }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % listSize;
  });
}

t.test('a list of very many ends what was made from each of them', async (t) => {
  const directory = temporaryDirectory(t);
  const store = openStore(join(directory, 'verifier.db'));
  t.teardown(() => store.close());
  const key = softwareKey(newPrivateJwk('ES256'));
  const accepted = {
    ...{ ak: 'aa', at: now, tpm: 'hardware' as const, killEpoch: 0, sessions: [] },
    keys: [{ ...key.publicJwk, kid: key.kid } as EcJwk],
  };
  store.book.accept(accepted);
  const token: MintedToken = {
    ...{
      jti: 'A'.repeat(22),
      idx: 1,
      ak: 'aa',
      session: 's1',
      digest: 'd',
      audience: 'urn:a',
      parent: 'P'.repeat(22),
    },
    ...{
      parentIdx: 11,
      details: '',
      purpose: '',
      iat: seconds,
      exp: seconds + 300,
      uses: 1,
      epoch: 0,
      revoked: 0,
      why: '',
    },
  };
  t.equal(store.book.mint(token, accepted, 10), 'minted');
  const ring = await KeyRing.open(join(directory, 'keys.json'), softwareKeeper(), now);
  const policy = readMintingPolicy('{"rules":[]}');
  const parts = {
    ...{ store, key: verifierKey(), anchors: { roots: [], intermediates: [] }, expectations: noExpectations },
    ...{ minting: { ring, url: 'https://verifier.example', policy }, lifetime: 900, now: () => now },
  };
  const facts = { issuer: 'urn:machine', uri: 'file:///status', now, ttl: 60, lifetime: 3600 };
  const statusList = await signStatusList(key, [11, ...manyPlaces()], facts);
  t.ok(statusList.length > 16 * 1024, `a list of ${statusList.length} characters`);
  const body = JSON.stringify({ statusList });
  t.match(await serveRequest(parts, 'POST', '/v1/token-revocations', body), { status: 200 });
  t.match(store.book.live(seconds), [{ jti: token.jti, why: /was revoked on its machine/ }]);
});
