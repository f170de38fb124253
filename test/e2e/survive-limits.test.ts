import { inOwnNetwork } from '../support/own-network.ts';

inOwnNetwork(import.meta.url, './survive/limits.ts');
