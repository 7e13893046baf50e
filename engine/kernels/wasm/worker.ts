/** Entry of a kernel thread; an own file because a Worker starts from one. */
import { serve } from './pool.ts';

serve();
