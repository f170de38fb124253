// The profile that e2e sessions run under: the built-in one for coding agents, and what only this test needs.
import { agentsDirectory } from './agents.ts';

export const profileName = 'e2e';

export const profileText = (modelPort: number, variables: readonly string[]): string => `cordon: 1
name: ${profileName}
version: 1
extends: [coding-agent]
files:
  - { allow: [read, exec], in: ["${agentsDirectory.replace(/\/$/, '')}"], because: "where the agents are installed" }
network:
  - { allow: "127.0.0.1:${modelPort}", because: "the scripted model" }
environment: { pass: [${variables.join(', ')}] }
`;
