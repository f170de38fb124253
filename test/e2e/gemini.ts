import { agentSuite } from './agent-suite.ts';
import { gemini } from './agents.ts';

agentSuite(gemini);
