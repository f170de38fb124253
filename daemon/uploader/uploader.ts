// The uploader process, once it is confined: told by cordond what the sinks are, it runs a pump for each. Everything it
// knows came over the link, and it ends with the link.
import type { Resolver } from 'node:dns/promises';
import type { Socket } from 'node:net';
import { CordonError } from '../model/mod.ts';
import { Connection } from '../wire/mod.ts';
import type { Incoming, UploadSetup } from '../wire/mod.ts';
import type { Sink } from './entry.ts';
import { linkSource } from './link-source.ts';
import { natsSink } from './nats/sink.ts';
import { otlpSink } from './otlp/sink.ts';
import { poster } from './post.ts';
import { startPump } from './pump.ts';
import type { Power, Pump } from './pump.ts';
import { addressesOf, lookupOf } from './resolve.ts';
import type { Addresses } from './resolve.ts';
import { hostsOf, unpackSink } from './setup.ts';
import type { NetworkSink, SinkSetup } from './setup.ts';
import type { Time } from './time.ts';
import { witness } from './witness.ts';

export interface UploaderOptions {
  /** The link to cordond. */
  readonly socket: Socket;
  readonly time: Time;
  /** Made before the process confined itself. */
  readonly resolver: Resolver;
  /** The end: `ended` when cordond closed the link. */
  readonly fatal: (why: string, ended: boolean) => void;
}

export function startUploader({ socket, time, resolver, fatal }: UploaderOptions): void {
  let power: Power = { onBattery: false, percent: 100 };
  const pumps: Pump[] = [];

  const begin = (connection: Connection, setup: UploadSetup): void => {
    power = powerOf(setup);
    const addresses = addressesOf({ upstream: setup.upstream, hosts: hostsOf(setup) }, resolver);
    for (const sink of setup.sinks.map(unpackSink)) {
      const pump = pumpFor(sink, { connection, setup, addresses, time, power: () => power });
      pumps.push(pump);
      pump.ended.catch((error: unknown) => fatal(String(error), !connection.isOpen));
    }
  };

  const onMessage = ({ message }: Incoming, connection: Connection): void => {
    if (message.kind === 'uploadSetup' && pumps.length === 0) begin(connection, message.body);
    else if (message.kind === 'uploadHint') {
      power = powerOf(message.body);
      for (const pump of pumps) pump.hint();
    } else throw new CordonError('protocol', `${message.kind} is not for the uploader`);
  };

  const connection = new Connection(socket, { onMessage });
  void connection.closed.then(({ why, detail }) => fatal(detail, why === 'ended'));
}

const powerOf = ({ onBattery, battery }: Pick<UploadSetup, 'onBattery' | 'battery'>): Power => ({
  onBattery,
  percent: battery,
});

interface Surroundings {
  readonly connection: Connection;
  readonly setup: UploadSetup;
  readonly addresses: Addresses;
  readonly time: Time;
  readonly power: () => Power;
}

function pumpFor(
  { settings, next }: SinkSetup,
  { connection, setup, addresses, time, power }: Surroundings,
): Pump {
  const lookup = lookupOf(addresses);
  const { tls, timeout } = settings;
  const witnessed = settings.witness;
  const asked =
    witnessed === undefined
      ? undefined
      : witness(
          witnessed,
          poster({ url: `${witnessed.url.replace(/\/$/, '')}/add-checkpoint`, tls, timeout, lookup }),
          time.now,
        );
  return startPump({
    settings,
    source: linkSource(connection, settings.name),
    sink: sinkFor(settings, setup, addresses, time),
    ...(asked === undefined ? {} : { witness: asked }),
    time,
    power,
    next,
  });
}

function sinkFor(
  settings: NetworkSink,
  { origin, version }: UploadSetup,
  addresses: Addresses,
  time: Time,
): Sink {
  if (settings.kind === 'nats') return natsSink(settings, origin, addresses);
  const { url, tls, timeout } = settings;
  const post = poster({ url, tls, timeout, lookup: lookupOf(addresses) });
  return otlpSink(settings, { origin, version }, post, time.now);
}
