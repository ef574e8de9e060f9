#pragma once

namespace xpu {

// Sets up malloc for a process that runs the agent, xpu-agent or one that measures what it does. Call it at
// the start, while there are no other threads.
//
// By default the C library keeps what was freed in small pieces as it is, and puts it together all at once
// when a larger piece is wanted: after a change of many flows that is some 0.3 ms, and the next change,
// however small, waits for it. Here it is put together as it is freed.
void SetUpAllocator();

}  // namespace xpu
