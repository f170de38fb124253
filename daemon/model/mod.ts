export * from './action.ts';
export * from './capability-set.ts';
export * from './errors.ts';
export * from './path.ts';
export * from './plan.ts';
export * from './record.ts';
export * from './verdict.ts';
export * from './decider.ts';
