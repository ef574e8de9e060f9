#pragma once

#include <curl/curl.h>

#include <optional>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"

namespace xpu::apiserver {

struct TestReply {
  long code = 0;
  std::string content_type;
  std::string body;
  // Null if the body is not JSON.
  nlohmann::json json;
};

// Plain HTTP requests over one connection, as any client would make them; knows nothing of the API.
class TestHttp {
 public:
  // "unix:PATH" or "ADDRESS:PORT".
  explicit TestHttp(const std::string& endpoint);
  ~TestHttp();
  TestHttp(const TestHttp&) = delete;
  TestHttp& operator=(const TestHttp&) = delete;

  // A code of 0 means that there was no answer. No Content-Type is sent where it is empty.
  TestReply Do(const std::string& method, const std::string& path, const std::string& body = "",
               const std::string& content_type = "application/json");
  TestReply Get(const std::string& path) { return Do("GET", path); }
  TestReply Post(const std::string& path, const nlohmann::json& body) {
    return Do("POST", path, body.dump());
  }
  TestReply Put(const std::string& path, const nlohmann::json& body) { return Do("PUT", path, body.dump()); }
  TestReply Merge(const std::string& path, const nlohmann::json& patch) {
    return Do("PATCH", path, patch.dump(), "application/merge-patch+json");
  }

 private:
  CURL* curl_;
  std::string unix_path_;
  std::string base_;
};

// A watch over a socket of its own, read only when asked, so that a test can be slow on purpose.
class TestWatch {
 public:
  TestWatch(const std::string& endpoint, const std::string& path_and_query);
  ~TestWatch();

  // Of the reply's first line; 0 if there was none.
  int code() const { return code_; }
  // The next line; nothing if the server has ended the reply, or after a generous deadline.
  std::optional<nlohmann::json> Next();
  // "ADDED name" of the next `count` events; fewer if the watch ends.
  std::vector<std::string> Lines(size_t count);
  // The client goes away without a word.
  void Close();

 private:
  bool Fill();
  std::optional<std::string> Line();

  int fd_ = -1;
  int code_ = 0;
  bool ended_ = false;
  std::string raw_;   // as it came
  std::string text_;  // without the framing of the chunks
};

}  // namespace xpu::apiserver
