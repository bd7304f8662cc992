/** Types that are shared with the agent reach a file that names this module; nothing of it is loaded by a browser. */
declare module 'node:buffer'
