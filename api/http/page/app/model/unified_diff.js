// A unified diff as git writes it, taken apart by file. Linear in its length.

/** [{path, from, status, binary, added, removed, lines: [{sign, old, now, text}]}]; a line of
 *  sign "@" is the head of a hunk. */
export function parseDiff(text) {
  const files = [];
  let file = null;
  let old = 0;
  let now = 0;
  for (const line of text.split("\n")) {
    if (line.startsWith("diff --git ")) {
      file = { path: pathOf(line), from: "", status: "changed", binary: false, added: 0, removed: 0, lines: [] };
      files.push(file);
    } else if (file && line.startsWith("@@ ")) {
      const [, from, to] = /^@@ -(\d+)(?:,\d+)? \+(\d+)/.exec(line) ?? [0, 0, 0];
      old = Number(from);
      now = Number(to);
      file.lines.push({ sign: "@", old: null, now: null, text: line });
    } else if (file?.lines.length) {
      const sign = line[0];
      if (sign === "+") {
        file.added += 1;
        file.lines.push({ sign, old: null, now: now++, text: line.slice(1) });
      } else if (sign === "-") {
        file.removed += 1;
        file.lines.push({ sign, old: old++, now: null, text: line.slice(1) });
      } else if (sign === " ") {
        file.lines.push({ sign, old: old++, now: now++, text: line.slice(1) });
      } else if (sign === "\\") {
        file.lines.push({ sign: "\\", old: null, now: null, text: line.slice(2) });
      }
    } else if (file) {
      readHead(file, line);
    }
  }
  return files;
}

function readHead(file, line) {
  if (line.startsWith("new file")) file.status = "new";
  else if (line.startsWith("deleted file")) file.status = "deleted";
  else if (line.startsWith("rename from ")) Object.assign(file, { from: unquote(line.slice(12)), status: "renamed" });
  else if (line.startsWith("rename to ")) file.path = unquote(line.slice(10));
  else if (line.startsWith("+++ ") && !line.startsWith("+++ /dev/null")) file.path = unquote(line.slice(4)).replace(/^b\//, "");
  else if (line.startsWith("Binary files") || line.startsWith("GIT binary patch")) file.binary = true;
}

function pathOf(line) {
  const quoted = / ("b\/.*")$/.exec(line);
  if (quoted) return unquote(quoted[1]).replace(/^b\//, "");
  const names = line.slice("diff --git ".length);
  return names.slice((names.length + 1) / 2).replace(/^b\//, "");
}

/** A name as git quotes odd ones: octal bytes of UTF-8 and escapes, within quotes. */
function unquote(name) {
  const bare = name.replace(/\t$/, "");
  if (!bare.startsWith('"') || !bare.endsWith('"')) return bare;
  const escapes = { n: 10, t: 9, r: 13, a: 7, b: 8, f: 12, v: 11 };
  const bytes = [];
  const encoder = new TextEncoder();
  for (const part of bare.slice(1, -1).matchAll(/\\([0-7]{3})|\\(.)|([^\\]+)/gsu)) {
    if (part[1]) bytes.push(parseInt(part[1], 8));
    else if (part[2]) bytes.push(escapes[part[2]] ?? part[2].charCodeAt(0));
    else bytes.push(...encoder.encode(part[3]));
  }
  return new TextDecoder().decode(new Uint8Array(bytes));
}
