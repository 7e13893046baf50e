import { nested, Secrets } from '../../../main/notebook/secrets.ts';

// Two organisations score the same three candidates; only the best one and how alike the scores are become known.
const mpc = new Secrets(['clinic', 'lab']);
const mine = mpc.share([0.7, 0.4, 0.9], 'clinic');
const yours = mpc.share([0.2, 0.8, 0.6], 'lab');

const total = mine.mul(2).add(yours);
const { values, bytesSent, rounds } = await mpc.reveal({
  best: total.argMax(),
  alike: mine.cosineSimilarity(yours),
  shares: total.softmax(),
});
console.log(nested(values.best), nested(values.alike), nested(values.shares), bytesSent, rounds);
