// `cordon audit sinks`: where records are shipped to, how far that is, and what keeps it.
import type { SinkInfo } from '../../wire/mod.ts';
import { columns, type Paint } from '../text/columns.ts';
import { printable } from '../text/printable.ts';
import { clockText, spanText } from '../text/time.ts';
import type { VerbAction } from '../verb.ts';

const heading = ['SINK', 'KIND', 'STATE', 'LAG', 'BEHIND', 'ACKNOWLEDGED', 'REFUSED', 'LAST', 'TARGET'];

const row = (sink: SinkInfo, now: number): string[] => [
  sink.name,
  sink.kind,
  sink.error === '' ? sink.state : 'failing',
  String(sink.lag),
  sink.lag === 0 ? '-' : spanText(sink.lagSeconds * 1000),
  String(sink.acknowledged),
  String(sink.refused),
  sink.lastAcknowledged === 0 ? '-' : `${spanText(now - sink.lastAcknowledged)} ago`,
  sink.target,
];

function troubles(sink: SinkInfo, now: number): string[] {
  const { name, error, errorTime, fix, nextTry, warning } = sink;
  const again = nextTry > now ? `; next try in ${spanText(nextTry - now)}` : '';
  return [
    ...(error === '' ? [] : [`${name}: ${error} (${clockText(errorTime)}${again})`]),
    ...(warning === '' ? [] : [`${name}: ${warning}`]),
    ...(fix === '' ? [] : [`  fix: ${fix}`]),
  ].map(printable);
}

/** A program reads numbers: 0 where there is nothing to tell is null here. */
const facts = (sink: SinkInfo) => ({
  ...sink,
  lastAcknowledged: sink.lastAcknowledged === 0 ? null : sink.lastAcknowledged,
  error: sink.error === '' ? null : { message: sink.error, time: sink.errorTime, fix: sink.fix },
  warning: sink.warning === '' ? null : sink.warning,
  nextTry: sink.nextTry === 0 ? null : sink.nextTry,
  errorTime: undefined,
  fix: undefined,
});

export const auditSinks: VerbAction = async ({ daemon, json, colours, now, out }) => {
  const { sinks } = await daemon.ask('sinks', {}, 'sinksAnswer');
  if (json) {
    out(JSON.stringify({ sinks: sinks.map(facts) }));
    return 0;
  }
  if (sinks.length === 0) {
    out('Records are shipped nowhere. Name a sink in /etc/cordon/config.yaml: records: sinks:');
    return 0;
  }
  const paint: Paint = (cell, column, index) =>
    column === 2 && sinks[index]?.error !== '' ? colours.red(cell) : cell;
  const [head = '', ...lines] = columns(
    heading,
    sinks.map((sink) => row(sink, now)),
    paint,
  );
  const said = sinks.flatMap((sink) => troubles(sink, now));
  out(colours.bold(head), ...lines, ...(said.length === 0 ? [] : ['', ...said]));
  return 0;
};
