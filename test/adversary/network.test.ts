// The network attacks, in a network of their own: nothing they do can leave this machine.
import { inOwnNetwork } from '../support/own-network.ts';

inOwnNetwork(import.meta.url, './network-attacks.ts');
