// Reporter for mocha of any version: the part of its JSON that the count reads, in the file of the option "output".
// mocha's own writes that file since 9.2 only.
const { writeFileSync } = require('fs');

module.exports = function (runner, options) {
  const report = { tests: [], passes: [], failures: [], pending: [] };
  const add = (key, test, error) => {
    const one = {
      title: test.title,
      fullTitle: test.fullTitle(),
      file: test.file || '',
      err: error === undefined ? {} : { message: String((error && error.message) || error) },
    };
    report[key].push(one);
    report.tests.push(one);
  };
  runner.on('pass', (test) => add('passes', test));
  runner.on('fail', (test, error) => add('failures', test, error === undefined ? null : error));
  runner.on('pending', (test) => add('pending', test));
  runner.on('end', () => writeFileSync(options.reporterOptions.output, JSON.stringify(report)));
};
