export * from './mediate.ts';
