// silenceper/wechat, unmodified: silenceper WHAT SOURCE ISSUER STOP
//
// SOURCE is the port of the Redis in which its cache is, or the URL of a door. It calls WeChat until the
// file STOP is there, and says each token that is new to it by a number. It rests while a file "rest" lies
// beside STOP.
//
// silenceper ticket PORT: the ticket that it finds in Redis.
//
// silenceper forward FORWARD ISSUER STOP: all of its calls are passed on.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/silenceper/wechat/v2"
	"github.com/silenceper/wechat/v2/cache"
	"github.com/silenceper/wechat/v2/credential"
	miniprogram "github.com/silenceper/wechat/v2/miniprogram/config"
	officialaccount "github.com/silenceper/wechat/v2/officialaccount/config"
	"github.com/silenceper/wechat/v2/util"
	work "github.com/silenceper/wechat/v2/work/config"
)

const (
	appID  = "wx0123456789abcdef"
	weChat = "https://api.weixin.qq.com"
	weCom  = "https://qyapi.weixin.qq.com"
	ips    = weChat + "/cgi-bin/get_api_domain_ip?access_token="
	ticket = weCom + "/cgi-bin/get_jsapi_ticket?access_token="
)

func main() {
	if os.Args[1] == "ticket" {
		sayTicket(os.Args[2])
		return
	}
	if os.Args[1] == "forward" {
		callThrough(os.Args[2], os.Args[4])
		return
	}
	what, source, issuer, stop := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	toSimulator := strings.NewReplacer(weChat, issuer, weCom, issuer)
	util.SetURIModifier(toSimulator.Replace)
	tokens, call := application(what, source, toSimulator)
	rest, rests := filepath.Join(filepath.Dir(stop), "rest"), 0
	seen := map[string]bool{}
	for !exists(stop) {
		token, err := tokens.GetAccessToken()
		if err != nil {
			fail("no token")
		}
		body, err := util.HTTPGet(call + token)
		if err != nil || !strings.Contains(string(body), "ip_list") && !strings.Contains(string(body), `"ticket"`) {
			fail("the call was refused")
		}
		if !seen[token] {
			seen[token] = true
			fmt.Println("token", len(seen))
		}
		time.Sleep(50 * time.Millisecond)
		if exists(rest) {
			rests++
			fmt.Println("rest", rests)
			for exists(rest) {
				time.Sleep(50 * time.Millisecond)
			}
		}
	}
}

// application has an application of each kind, and what it calls.
func application(what, source string, toSimulator *strings.Replacer) (credential.AccessTokenHandle, string) {
	redis := func() cache.Cache { return inRedis(source) }
	wc := wechat.NewWechat()
	switch what {
	case "officialaccount":
		config := officialaccount.Config{AppID: appID, AppSecret: "no secret", Cache: redis()}
		return wc.GetOfficialAccount(&config), ips
	case "stable":
		config := officialaccount.Config{
			AppID: appID, AppSecret: "no secret", Cache: redis(), UseStableAK: true,
		}
		return wc.GetOfficialAccount(&config), ips
	case "miniprogram":
		config := miniprogram.Config{AppID: appID, AppSecret: "no secret", Cache: redis()}
		return wc.GetMiniProgram(&config).GetContext(), ips
	case "work":
		config := work.Config{CorpID: "ww1", CorpSecret: "no secret", AgentID: "7", Cache: redis()}
		return wc.GetWork(&config).GetContext(), ticket
	case "work-corp":
		config := work.Config{CorpID: "ww1", CorpSecret: "no secret", Cache: redis()}
		return wc.GetWork(&config).GetContext(), ticket
	case "door":
		util.SetURIModifier(func(uri string) string {
			if strings.HasPrefix(uri, weChat+"/cgi-bin/stable_token") {
				return strings.Replace(uri, weChat, source, 1)
			}
			return toSimulator.Replace(uri)
		})
		config := officialaccount.Config{
			AppID: appID, AppSecret: "key-of-web-0123456789", Cache: cache.NewMemory(), UseStableAK: true,
		}
		return wc.GetOfficialAccount(&config), ips
	}
	fail("it is none: " + what)
	return nil, ""
}

func sayTicket(port string) {
	config := officialaccount.Config{AppID: appID, AppSecret: "no secret", Cache: inRedis(port)}
	account := wechat.NewWechat().GetOfficialAccount(&config)
	ticket, err := account.GetJs().GetTicket("no token")
	if err != nil {
		fail("no ticket")
	}
	fmt.Println(ticket)
}

func inRedis(port string) cache.Cache {
	return cache.NewRedis(context.Background(), &cache.RedisOpts{Host: "127.0.0.1:" + port})
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func fail(why string) {
	fmt.Fprintln(os.Stderr, why)
	os.Exit(1)
}
