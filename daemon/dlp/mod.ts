export { argumentsWithoutSecrets, secretsIn, withoutSecrets } from './secrets.ts';
export type { Secret } from './secrets.ts';
