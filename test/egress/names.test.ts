import t from 'tap';
import { a, alpha, capabilities, enterNamespace, Resolver, Session, unavailable } from './session.ts';

const skip = unavailable();
if (skip === false) enterNamespace();

t.test(
  'a granted name is asked upstream, pinned before it is answered, and recorded',
  { skip },
  async (t) => {
    const resolver = await Resolver.start((name) => [a(name, alpha)]);
    const session = await Session.start({
      set: capabilities([{ host: 'api.example.com', port: 443 }]),
      upstream: [resolver.endpoint],
    });
    const answer = await session.lookup('API.example.com');
    t.match(answer.answers, [{ type: 'A', data: alpha }]);
    await session.until(() => session.pins.length > 0);
    t.match(session.pins[0], { t: 'pin', host: 'api.example.com', addrs: [alpha], ttl: 30 });
    t.match(await session.record({ kind: 'name' }), {
      disposition: 'allowed',
      operation: 'lookup',
      layer: 'resolver',
    });
    await session.stop();
    resolver.stop();
  },
);
