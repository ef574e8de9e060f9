#include "xpu-agent/datapath/ovs/socket_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <utility>

#include "xpu-agent/datapath/ovs/ovs_c.h"

namespace xpu {

SocketWatch::SocketWatch(std::string folder, std::string name)
    : folder_(std::move(folder)), name_(std::move(name)) {}

void SocketWatch::Start() {
  if (watching_) return;
  if (!inotify_) inotify_.Reset(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  watching_ = inotify_ &&
              inotify_add_watch(inotify_.get(), folder_.c_str(), IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) >= 0;
}

bool SocketWatch::Appeared() {
  if (!watching_) return false;
  alignas(inotify_event) char buffer[4096];
  bool appeared = false;
  ssize_t n;
  while ((n = read(inotify_.get(), buffer, sizeof(buffer))) > 0) {
    for (ssize_t offset = 0; offset < n;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer + offset);
      // The folder itself is gone, or events were lost: look again.
      if ((event->mask & IN_IGNORED) != 0) watching_ = false;
      if ((event->mask & (IN_IGNORED | IN_Q_OVERFLOW)) != 0) appeared = true;
      if (event->len > 0 && name_ == event->name) appeared = true;
      offset += static_cast<ssize_t>(sizeof(inotify_event)) + event->len;
    }
  }
  return appeared;
}

void SocketWatch::Wait() const {
  if (watching_) xpu_ovs_wait_fd(inotify_.get());
}

}  // namespace xpu
