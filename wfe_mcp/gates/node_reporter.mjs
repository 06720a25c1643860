// Reporter for `node --test`: one JSON line per test, {file, names, outcome, message}.
// Suites are left out; a file that ended before it declared a test is "unloaded".
const slashed = (path) => path.replaceAll('\\', '/').replace(/^\.\//, '');
const names_file = (name, file) => /\.[cm]?[jt]sx?$/.test(name) && slashed(file || name).endsWith(slashed(name));

export default async function* (source) {
  const open = [];
  for await (const { type, data } of source) {
    if (type === 'test:start') {
      open.length = data.nesting;
      open[data.nesting] = data.name;
      continue;
    }
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    const failure = type === 'test:fail' ? data.details?.error?.failureType : undefined;
    // A suite is no test; where its own body or hook failed, its tests did not run.
    if (failure === 'subtestsFailed' || (data.details?.type === 'suite' && failure === undefined)) continue;
    const isSuite = data.details?.type === 'suite';
    const file = data.file ?? '';
    const names = [...open.slice(0, data.nesting), data.name];
    const isFile = data.nesting === 0 && names_file(data.name, file);
    if (isFile && type === 'test:pass') continue;
    const error = data.details?.error;
    const message = String(error?.cause?.message ?? error?.cause ?? error?.message ?? '');
    const skips = (data.skip !== undefined && data.skip !== false) || (data.todo !== undefined && data.todo !== false);
    const outcome = isFile || isSuite ? 'unloaded' : skips ? 'skipped' : type === 'test:pass' ? 'passed' : 'failed';
    yield `${JSON.stringify({ file, names: isFile ? [] : names, outcome, message })}\n`;
  }
}
