"""The shared kernel: what every domain builds on. It depends on no domain."""

import gc
import os

if "_HANDLER" in os.environ:
    # Lambda's init phase makes objects that stay; `init_phase.prepare` resumes the collector
    gc.disable()
