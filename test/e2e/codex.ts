import { agentSuite } from './agent-suite.ts';
import { codex } from './agents.ts';

agentSuite(codex);
