// cordond's half of shipping over a log of the test's own, with the real uploader process.
import { join } from 'node:path';
import { readFileSync } from 'node:fs';
import type { Test } from 'tap';
import { Uploads } from '../../daemon/control/uploads.ts';
import type { NatsSink, NewRecord, OtlpSink, SinkSettings } from '../../daemon/model/mod.ts';
import type { EntryLog, Power } from '../../daemon/uploader/mod.ts';
import { bundled } from './bundled.ts';
import { temporaryDirectory } from './temporary.ts';

export interface TestUploads {
  readonly uploads: Uploads;
  readonly notes: readonly NewRecord[];
  /** What the uploader printed. */
  readonly printed: () => string;
  readonly info: (name: string) => ReturnType<Uploads['infos']>[number];
  readonly supply: { power: Power };
}

export function startUploads(t: Test, log: EntryLog, sinks: readonly SinkSettings[]): TestUploads {
  const logFile = join(temporaryDirectory(t), 'uploader.log');
  const notes: NewRecord[] = [];
  const supply = { power: { onBattery: false, percent: 100 } };
  const uploads = new Uploads({
    sinks,
    log,
    script: join(bundled('uploader'), 'uploader.js'),
    logFile,
    version: '1.2.3',
    upstream: [],
    hosts: {},
    now: Date.now,
    note: (record) => void notes.push(record),
    power: () => supply.power,
  });
  uploads.start();
  t.teardown(() => uploads.stop());
  return {
    uploads,
    notes,
    printed: () => readFileSync(logFile, 'utf8'),
    info: (name) => uploads.infos().find((info) => info.name === name)!,
    supply,
  };
}

const common = { filter: {}, batch: 64, bandwidth: 0, battery: 0, tls: {}, timeout: 5000 };

export const otlp = (url: string, more: Partial<OtlpSink> = {}): OtlpSink => ({
  kind: 'otlp',
  name: 'siem',
  url,
  headers: {},
  ...common,
  ...more,
});

export const nats = (port: number, more: Partial<NatsSink> = {}): NatsSink => ({
  kind: 'nats',
  name: 'fleet',
  servers: [`nats://127.0.0.1:${port}`],
  stream: 'AUDIT',
  subject: 'cordon.records',
  create: true,
  window: 32,
  ...common,
  ...more,
});
