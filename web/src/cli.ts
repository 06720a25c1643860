// Commands that a person copies into a terminal: what is written into one stays text there, whoever wrote it.

/** `text` as one word of a command in a POSIX shell. */
export function word(text: string | number): string {
  const [, name = "", rest = ""] = /^(\w+=)?([^]*)$/.exec(`${text}`) ?? [];
  return name + (/^[\w@%+=:,./-]+$/.test(rest) ? rest : `'${rest.replaceAll("'", "'\\''")}'`);
}

/** The folder that the server was started in, and that of the project which the page shows. */
let [own, shown] = ["", ""];

/** From here on commands act in the project of the folder `page`, also where they are typed in the folder of the server. */
export function actIn(server: string, page: string): void {
  [own, shown] = [server, page];
}

/** `line` with the project in `folder`, where it would find another one by itself. */
export const inFolder = (line: string, folder = shown): string =>
  folder && own && folder !== own ? line.replace(/^wfe-mcp (?!--project )/, (name) => `${name}--project ${word(folder)} `) : line;

/** A command in the project that the page shows. A value is one argument, also where it begins with a dash: its options stand before it. A list has words that may be options;
 * an empty one leaves nothing behind. */
export function cli(texts: TemplateStringsArray, ...values: (string | number | (string | number)[])[]): string {
  let line = texts[0] ?? "";
  values.forEach((value, at) => {
    if (!Array.isArray(value)) line += `${`${value}`.startsWith("-") ? "-- " : ""}${word(value)}`;
    else line = value.length ? line + value.map(word).join(" ") : line.trimEnd();
    line += texts[at + 1] ?? "";
  });
  return inFolder(line);
}
