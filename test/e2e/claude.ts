import { agentSuite } from './agent-suite.ts';
import { claude } from './agents.ts';

agentSuite(claude);
