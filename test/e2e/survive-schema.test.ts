import { inOwnNetwork } from '../support/own-network.ts';

inOwnNetwork(import.meta.url, './survive/schema.ts');
