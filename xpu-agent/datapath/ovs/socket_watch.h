#pragma once

#include <string>

#include "common/base/unique_fd.h"

namespace xpu {

// Tells when a socket is made in a folder (inotify(7)). For the poll loop's thread; never blocks.
class SocketWatch {
 public:
  // The socket `<folder>/<name>`.
  SocketWatch(std::string folder, std::string name);

  std::string path() const { return folder_ + "/" + name_; }
  // Watches, or goes on watching; call it before each try to connect, so that a socket that is made in
  // between is not missed. Does nothing if the folder cannot be watched.
  void Start();
  // False before Start() and when the folder cannot be watched any more.
  bool is_watching() const { return watching_; }
  // Takes in what happened in the folder: true if the socket was made, or may have been.
  bool Appeared();
  // Arranges that the poll loop wakes when there is something to take in.
  void Wait() const;

 private:
  const std::string folder_;
  const std::string name_;
  UniqueFd inotify_;
  bool watching_ = false;
};

}  // namespace xpu
