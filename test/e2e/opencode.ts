import { agentSuite } from './agent-suite.ts';
import { opencode } from './agents.ts';

agentSuite(opencode);
