/** fast-check with a fixed seed: a property is tried with the same values in every run, so that a run says something of the code alone. */
import fc from 'fast-check';

fc.configureGlobal({ seed: 7 });

export { fc };
