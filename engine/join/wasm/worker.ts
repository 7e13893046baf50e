/** Entry of a curve thread; an own file because a Worker starts from one. */
import { serve } from './pool.ts';

serve();
