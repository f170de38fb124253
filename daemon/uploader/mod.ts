// The uploader room: records leave the machine by it. What runs in the uploader process, and what cordond needs to
// feed it.
export { startUploader } from './uploader.ts';
export { newResolver } from './resolve.ts';
export { sleep } from './time.ts';
export type { Time } from './time.ts';
export { startPump } from './pump.ts';
export type { Power, Pump } from './pump.ts';
export { offer } from './offer.ts';
export type { EntryLog, LogEntry } from './offer.ts';
export { fileSink } from './file/sink.ts';
export type { Rotation } from './file/sink.ts';
export { isNetworkSink, packSink } from './setup.ts';
export type { NetworkSink } from './setup.ts';
export type { Acknowledgement, Batch, Cosigned, Entry, SinkReport, Source } from './entry.ts';
