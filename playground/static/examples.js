// First things to try, so that nobody has to think of one. They fit what the embedded model can draw.

export const EXAMPLES = [
  "a boat with a white sail on the sea",
  "three yellow stars on a black background",
  "a green triangle above an orange square",
  "a pink flower on a white background",
];

/** The command the examples are for, if this bot has it, with the option that takes the words. */
export function exampleCommand(entries) {
  const entry = entries.find(({ name }) => name === "imagine");
  const option = entry?.options.find(({ required, type }) => required && type === 3);
  return option ? { entry, option } : null;
}
