import { inOwnNetwork } from '../support/own-network.ts';

inOwnNetwork(import.meta.url, './survive/full-disk.ts');
