// What a tool call edits, as the lines of a hunk.

const EDITOR = "str_replace_based_edit_tool";
const TREE = /^\/workspace\//;
const MOST_PAIRS = 400_000;

/** {path, lines: [{sign, text}], added, removed} of a call that edits, else null. */
export function editOf(tool, input) {
  if (tool !== EDITOR || typeof input?.path !== "string") return null;
  const path = input.path.replace(TREE, "");
  if (input.command === "str_replace") return hunk(path, input.old_str ?? "", input.new_str ?? "");
  if (input.command === "create") return hunk(path, "", input.file_text ?? "");
  if (input.command === "insert") return hunk(path, "", input.insert_text ?? input.new_str ?? "");
  return null;
}

function hunk(path, before, after) {
  const lines = compare(split(before), split(after));
  const count = (sign) => lines.filter((line) => line.sign === sign).length;
  return { path, lines, added: count("+"), removed: count("-") };
}

function split(text) {
  const lines = String(text).split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

/** The lines of both texts in order: same (" "), removed ("-"), added ("+"). */
export function compare(before, after) {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start += 1;
  let end = 0;
  while (end < before.length - start && end < after.length - start
    && before[before.length - 1 - end] === after[after.length - 1 - end]) end += 1;
  return [
    ...signed(" ", before.slice(0, start)),
    ...middle(before.slice(start, before.length - end), after.slice(start, after.length - end)),
    ...signed(" ", before.slice(before.length - end)),
  ];
}

/** By the longest common run of lines; very long texts are told as removed and added whole. */
function middle(before, after) {
  if (!before.length || !after.length || before.length * after.length > MOST_PAIRS) {
    return [...signed("-", before), ...signed("+", after)];
  }
  const width = after.length + 1;
  const common = new Uint16Array((before.length + 1) * width);
  for (let i = before.length - 1; i >= 0; i -= 1) {
    for (let j = after.length - 1; j >= 0; j -= 1) {
      common[i * width + j] = before[i] === after[j]
        ? common[(i + 1) * width + j + 1] + 1
        : Math.max(common[(i + 1) * width + j], common[i * width + j + 1]);
    }
  }
  return walk(before, after, common, width);
}

function walk(before, after, common, width) {
  const lines = [];
  let i = 0;
  let j = 0;
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      lines.push({ sign: " ", text: before[i] });
      i += 1;
      j += 1;
    } else if (i < before.length
      && (j === after.length || common[(i + 1) * width + j] >= common[i * width + j + 1])) {
      lines.push({ sign: "-", text: before[i] });
      i += 1;
    } else {
      lines.push({ sign: "+", text: after[j] });
      j += 1;
    }
  }
  return lines;
}

function signed(sign, lines) {
  return lines.map((text) => ({ sign, text }));
}
