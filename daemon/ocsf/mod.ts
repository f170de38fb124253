export { canonical } from './canonical.ts';
export type { JsonValue } from './canonical.ts';
export { bounded } from './bounds.ts';
export type { EventContext, HostFacts, SessionContext } from './context.ts';
export { eventText, ocsfVersion } from './event.ts';
export type { Part } from './event.ts';
export { classOf } from './kinds.ts';
export type { RecordClass } from './kinds.ts';
export { recordOf } from './record.ts';
