/**
 * Types and linter over one program of the compiler: what the compiler has worked out to check types, the rules that ask for types
 * find worked out, so the two together take little longer than the linter alone. Prints what is wrong; exits with 1 if anything is.
 */
import { join, resolve } from 'node:path';
import { ESLint } from 'eslint';
import ts from 'typescript';

const root = resolve(import.meta.dirname, '..');

/** The program of a tsconfig.json. */
function programOf(folder: string): ts.Program {
  const file = join(folder, 'tsconfig.json');
  const parsed = ts.getParsedCommandLineOfConfigFile(file, undefined, {
    ...ts.sys,
    onUnRecoverableConfigFileDiagnostic: (diagnostic) => {
      throw new Error(ts.flattenDiagnosticMessageText(diagnostic.messageText, '\n'));
    },
  });
  if (parsed === undefined) throw new Error(`${file} cannot be read.`);
  return ts.createProgram({ rootNames: parsed.fileNames, options: parsed.options });
}

const program = programOf(root);
const diagnostics = ts.getPreEmitDiagnostics(program);
if (diagnostics.length > 0) {
  const host = {
    getCanonicalFileName: (name: string) => name,
    getCurrentDirectory: () => root,
    getNewLine: () => '\n',
  };
  console.log(ts.formatDiagnostics(diagnostics, host));
}

// Types of the interface are svelte-check's business, its files are linted all the same.
const programs = [program, programOf(join(root, 'renderer'))];
const eslint = new ESLint({
  cwd: root,
  overrideConfig: [{ files: ['**/*.ts'], languageOptions: { parserOptions: { projectService: false, programs } } }],
});
const results = await eslint.lintFiles(['.']);
const formatter = await eslint.loadFormatter('stylish');
const problems = await formatter.format(results);
if (problems !== '') console.log(problems);

const isGood = diagnostics.length === 0 && results.every((file) => file.errorCount + file.fatalErrorCount === 0);
if (!isGood) process.exitCode = 1;
