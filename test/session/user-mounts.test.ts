import { inOwnNetwork } from '../support/own-network.ts';

inOwnNetwork(import.meta.url, './user-mounts.ts');
