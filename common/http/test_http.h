#pragma once

#include <curl/curl.h>

#include <string>
#include <vector>

#include "nlohmann/json.hpp"

namespace xpu {

struct TestReply {
  long code = 0;
  std::string content_type;
  // Seconds; 0 if the header is not there.
  long retry_after = 0;
  std::string body;
  // Null if the body is not JSON.
  nlohmann::json json;
};

// For tests: plain HTTP requests over one connection, as any client would make them.
class TestHttp {
 public:
  // "unix:PATH", "ADDRESS:PORT" or "tls:ADDRESS:PORT".
  explicit TestHttp(const std::string& endpoint);
  ~TestHttp();
  TestHttp(const TestHttp&) = delete;
  TestHttp& operator=(const TestHttp&) = delete;

  // What the client shows from now on.
  void UseToken(const std::string& token) { token_ = token; }
  // A line "Name: value" that it sends from now on.
  void UseHeader(const std::string& line) { headers_.push_back(line); }
  // Who has signed the server's certificate, and the client's own, if it has one: PEM files.
  void UseTls(const std::string& ca, const std::string& certificate, const std::string& key) {
    ca_ = ca;
    certificate_ = certificate;
    key_ = key;
  }

  // A code of 0 means that there was no answer. No Content-Type is sent where it is empty.
  TestReply Do(const std::string& method, const std::string& path, const std::string& body = "",
               const std::string& content_type = "application/json", const std::string& accept = "");
  TestReply Get(const std::string& path, const std::string& accept = "");
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
  std::vector<std::string> headers_;
  std::string token_, ca_, certificate_, key_;
};

}  // namespace xpu
