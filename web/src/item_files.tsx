// Files attached to a work item: pictures are shown, every file can be saved, more are attached from the disk, and one is detached.
import { useEffect, useState } from "react";
import { query, reach, Refused, useAct } from "./api";
import type { ItemFileLine } from "./api_types";
import { cli } from "./cli";
import { Problem, Section } from "./parts";
import { send } from "./pin";
import { given as headersOf } from "./session";

/** The bytes of a blob as the address of an image: the page's policy takes no others. */
const addressOf = (found: Blob): Promise<string> =>
  new Promise((done) => {
    const reader = new FileReader();
    reader.onload = () => done(String(reader.result));
    reader.readAsDataURL(found);
  });

export function Files({ item, project, files, closed, reload }: { item: string; project: string; files: ItemFileLine[]; closed: boolean; reload: () => void }) {
  const [act, busy, refused] = useAct(reload);
  if (closed && !files.length) return null;
  const path = (file: ItemFileLine) => `/items/${encodeURIComponent(item)}/files/${file.number}${query({ project })}`;
  const attach = (given: File[]) =>
    act(async () => {
      const left: string[] = [];
      let hint = "";
      for (const each of given) {
        try {
          const content = (await addressOf(each)).split(",")[1] ?? "";
          await send(`/items/${encodeURIComponent(item)}/files`, { name: each.name, content, project });
        } catch (reason) {
          if (!(reason instanceof Refused) || reason.code !== "too_large") throw reason;
          left.push(each.name);
          hint = reason.hint;
        }
      }
      if (left.length) throw new Refused(413, "too_large", `Not attached: ${left.join(", ")}.`, hint, [], null);
    });
  const detach = (file: ItemFileLine) =>
    act(async () => {
      const alone = files.filter((each) => each.name === file.name).length === 1;
      await send(`/items/${encodeURIComponent(item)}/detach`, { file: alone ? file.name : file.sha256, project });
    });
  return (
    <Section aria-label="Files" title="Files" acts={!closed && (
        <label className="field end">
          <span>{busy ? "Attaching…" : "Attach files"}</span>
          <input
            type="file"
            multiple
            disabled={busy}
            title={cli`wfe-mcp work attach ${item} FILE`}
            onChange={({ target }) => {
              attach([...(target.files ?? [])]);
              target.value = "";
            }}
          />
        </label>
    )}>
      <Problem error={refused} />
      {!!files.length && (
        <ul className="panel lines">
          {files.map((each) => (
            <li key={each.number}>
              <span className="grow">
                {each.name} <span className="muted small" title={`sha256 ${each.sha256}`}>{each.media_type}, {each.size_bytes.toLocaleString("en")} bytes</span>
              </span>
              <button type="button" className="btn slim" disabled={busy} onClick={() => act(() => save(path(each), each.name))}>
                Save<span className="hidden"> {each.name}</span>
              </button>
              {!closed && (
                <button type="button" className="btn slim" disabled={busy} title={cli`wfe-mcp work detach ${item} ${each.name}`} onClick={() => detach(each)}>
                  Detach<span className="hidden"> {each.name}</span>
                </button>
              )}
              {each.media_type.startsWith("image/") && <Picture path={path(each)} name={each.name} />}
            </li>
          ))}
        </ul>
      )}
    </Section>
  );
}

async function bytes(path: string): Promise<Blob> {
  const found = await reach(path, { headers: headersOf() });
  if (!found.ok) throw new Refused(found.status, "unavailable", "The file could not be read.", "wfe-mcp verify names what is missing.", [], null);
  return found.blob();
}

async function save(path: string, name: string): Promise<void> {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await bytes(path));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

function Picture({ path, name }: { path: string; name: string }) {
  const [address, setAddress] = useState("");
  useEffect(() => {
    let gone = false;
    bytes(path)
      .then(addressOf)
      .then((found) => !gone && setAddress(found), () => undefined);
    return () => void (gone = true);
  }, [path]);
  return address ? <img className="attached" src={address} alt={name} /> : null;
}
