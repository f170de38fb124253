import { inOwnNetwork } from '../support/own-network.ts';

inOwnNetwork(import.meta.url, './survive/missing-layer.ts');
