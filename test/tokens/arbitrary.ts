// Details and actions drawn from a small world, so that they often meet.
import fc from 'fast-check';
import type { Detail, HttpMethod, RowAction, TokenAction } from '../../daemon/tokens/mod.ts';

const hosts = ['a.example', 'b.example', '127.0.0.1'] as const;
const paths = ['/', '/v1', '/v1/', '/v1/x', '/v1/x/y', '/v1x', '/w'] as const;
const digests = ['0'.repeat(64), 'a'.repeat(64)] as const;
const destinations = ['http://a.example/up', 'https://a.example/up', 'http://a.example:8080/up'] as const;
const methods: readonly HttpMethod[] = ['DELETE', 'GET', 'POST'];
const rowActions: readonly RowAction[] = ['delete', 'select', 'update'];
const host = fc.constantFrom(...hosts);
const port = fc.constantFrom(80, 443);
const digest = fc.constantFrom(...digests);
const column = fc.constantFrom('id', 'tenant', '__proto__', 'constructor');
const value = fc.constantFrom<string | number>(1, 2, '1');
const row = fc
  .array(fc.tuple(column, value), { minLength: 1, maxLength: 4 })
  .map((columns) => Object.fromEntries(columns));
const some = <T>(words: readonly T[]): fc.Arbitrary<T[]> => fc.subarray([...words], { minLength: 1 });

export const detail: fc.Arbitrary<Detail> = fc.oneof(
  fc.record({
    type: fc.constant('http' as const),
    methods: some(methods),
    host,
    port,
    path: fc.constantFrom(...paths, '/*', '/v1/*', '/v1/x/*'),
  }),
  fc.record(
    {
      type: fc.constant('file.upload' as const),
      sha256: digest,
      destination: fc.constantFrom(...destinations),
      size: fc.constantFrom(0, 1),
    },
    { requiredKeys: ['type', 'sha256', 'destination'] },
  ),
  fc.record({
    type: fc.constant('db.row' as const),
    database: fc.constantFrom('crm', 'erp'),
    table: fc.constantFrom('t', 'u'),
    actions: some(rowActions),
    key: row,
  }),
  fc.record(
    {
      type: fc.constant('tool.call' as const),
      tool: fc.constantFrom('search', 'mail'),
      argumentsSha256: digest,
    },
    { requiredKeys: ['type', 'tool'] },
  ),
  fc.record(
    { type: fc.constant('exec' as const), path: fc.constantFrom('/bin/ls', '/bin/sh'), argvSha256: digest },
    { requiredKeys: ['type', 'path'] },
  ),
);

export const details = fc.array(detail, { minLength: 1, maxLength: 4 });

export const action: fc.Arbitrary<TokenAction> = fc.oneof(
  fc.record({
    type: fc.constant('http' as const),
    method: fc.constantFrom(...methods, 'TRACE'),
    host,
    port,
    path: fc.constantFrom(...paths, '/v1/../w', '/v1/%2e%2e/w', '/v1//x', '/v1/x?q=/w', '/v1/*'),
  }),
  fc.record({
    type: fc.constant('file.upload' as const),
    sha256: digest,
    destination: fc.constantFrom(...destinations),
    size: fc.constantFrom(0, 1),
  }),
  fc.record({
    type: fc.constant('db.row' as const),
    database: fc.constantFrom('crm', 'erp'),
    table: fc.constantFrom('t', 'u'),
    action: fc.constantFrom(...rowActions),
    row,
  }),
  fc.record(
    {
      type: fc.constant('tool.call' as const),
      tool: fc.constantFrom('search', 'mail'),
      argumentsSha256: digest,
    },
    { requiredKeys: ['type', 'tool'] },
  ),
  fc.record(
    { type: fc.constant('exec' as const), path: fc.constantFrom('/bin/ls', '/bin/sh'), argvSha256: digest },
    { requiredKeys: ['type', 'path'] },
  ),
);
