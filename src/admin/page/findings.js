// What a finding means and what is to be done, from the sections of findings.md.

import { element } from "./words.js";

const sections = new Map();

// The store can be read, and no refresh can begin.
const REFUSALS = ["out_of_memory", "read_only", "cannot_persist", "not_enough_replicas", "disk_full", "read_only_disk"];

/// Whether the store takes no changes, by the name of what is wrong.
export function refuses(name) {
  return REFUSALS.some((refusal) => name === `store.${refusal}`);
}

/// Reads the sections, once. Where they cannot be had, the command that prints them is still named.
export async function load() {
  const answer = await fetch("findings.md");
  if (!answer.ok) return;
  const text = await answer.text();
  for (const section of text.split("\n## ").slice(1)) {
    const [names, ...lines] = section.split("\n# ")[0].split("\n");
    for (const name of names.split(", ")) sections.set(name, lines.join("\n"));
  }
}

/// Its paragraphs and points, as elements.
export function explain(name) {
  const paragraphs = (sections.get(name) ?? "").split(/\n\n|\n(?=- )/).map((text) => text.replace(/\s+/g, " ").trim());
  const made = paragraphs.filter(Boolean).map((text) => element("p", null, ...inline(text.replace(/^- /, ""))));
  return [...made, element("p", "quiet", "In a terminal: ", element("code", null, `evertoken explain ${name}`))];
}

/// Its parts, with commands and what is strong as such.
export function inline(text) {
  return text.split(/(\*\*[^*]+\*\*|`[^`]+`)/).map((part) => {
    if (part.startsWith("**")) return element("strong", null, part.slice(2, -2));
    return part.startsWith("`") ? element("code", null, part.slice(1, -1)) : part;
  });
}
